"""The settings without which nothing starts, of servers that nobody calls."""

REQUIRED = {
    "DATABASE_URL": "postgresql+psycopg://darkroom:hush-1@127.0.0.1/darkroom",
    "REDIS_URL": "redis://:hush-2@127.0.0.1/0",
    "S3_ENDPOINT": "http://127.0.0.1:9000",
    "S3_ACCESS_KEY": "hush-3",
    "S3_SECRET_KEY": "hush-4",
}
