"""Clients of Redis, as the settings want them; each connects when it is first used."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config import Settings

REQUEST_TIMEOUT_S = 0.5


def request_client(settings: Settings) -> redis.Redis:
    """For the request path: answers, or fails, within a second. One attempt, half a second each for connecting and reading."""
    return _client(
        settings,
        socket_timeout=REQUEST_TIMEOUT_S,
        socket_connect_timeout=REQUEST_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def job_client(settings: Settings) -> redis.Redis:
    """For the worker and the scheduler, who may wait."""
    return _client(settings)


def _client(settings: Settings, **options: object) -> redis.Redis:
    if settings.redis_url.startswith("rediss:") and not settings.redis_tls_verify:
        options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    return redis.Redis.from_url(settings.redis_url, **options)
