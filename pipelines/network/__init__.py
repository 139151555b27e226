"""What `pipelines.http` is made of: how requests are sent, and what their answers must be."""
