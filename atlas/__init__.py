"""What people look at: reads the published warehouse and nothing else."""
