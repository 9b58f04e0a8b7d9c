import multiprocessing

loglevel = "info"
workers = multiprocessing.cpu_count() * 2
bind = "0.0.0.0:80"
keepalive = 120
errorlog = "-"
