"""What stands for a database."""

users = [{"name": "Ada"}, {"name": "Grace"}]
