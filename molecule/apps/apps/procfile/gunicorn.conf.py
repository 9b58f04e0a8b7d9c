raw_env = ["FROM_CONF=yes"]
workers = 3
