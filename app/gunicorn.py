"""gunicorn's settings for a service of small JSON requests. Named in the Procfile; reads PORT and WEB_CONCURRENCY."""

import os

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
# gthread keeps connections open between requests; sync closes each one.
worker_class = "gthread"
threads = 4
keepalive = 75
# Less than the 30 s that Heroku gives a process to end.
graceful_timeout = 25
max_requests = 100_000
max_requests_jitter = 10_000
# A heartbeat on a real disk can block for seconds (gunicorn FAQ, "excessively blocking in os.fchmod").
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
control_socket_disable = True
loglevel = "warning"
# The path without the query: a query may hold keys and ids.
accesslog = "-" if os.environ.get("ACCESS_LOG") == "1" else None
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'
