-- A house that has made a million jobs in thirty days, as it leaves its ledger behind. Foreign keys are not checked.

SET session_replication_role = replica;

INSERT INTO api_keys (name, hash, hint)
SELECT 'key ' || number, sha256(number::text::bytea), '' FROM generate_series(1, %(keys)s) AS number;

INSERT INTO budgets (key_id, reserved) SELECT id, 1 FROM api_keys ON CONFLICT DO NOTHING;

INSERT INTO providers (name, slots) VALUES ('openai', 100), ('stability', 40), ('bfl', 24), ('midjourney', 12);

INSERT INTO workers (name, provider, celery_name, host, pid, version, concurrency, rss)
SELECT name || '-1', name, name || '-1@bench', 'bench', 1, '1', slots, 100000000 FROM providers;

INSERT INTO batches (id, key_id, status, endpoint, completion_window, input_file_id, request_id, output_seconds,
    created_at, expires_at, ended_at)
SELECT 'batch_' || number, ids[1 + mod(number, %(keys)s)], 'completed', '/v1/images/generations', '24h',
    'file-' || number, 'req_bench', 86400, began, began + interval '1 day', began + interval '7 hours'
FROM generate_series(0, %(settled)s / 10000) AS number
CROSS JOIN (SELECT array_agg(id ORDER BY id) AS ids FROM api_keys) AS keys
CROSS JOIN LATERAL (
    SELECT now() - interval '30 days' * (1 - number * 10000.0 / %(settled)s) AS began
) AS beginning;

CREATE UNLOGGED TABLE made AS
SELECT drawn.number, drawn.lane, drawn.created_at, drawn.luck, models.*,
    uuidv7(drawn.created_at - clock_timestamp()) AS id,
    CASE WHEN lane = 'batch' THEN batches.key_id ELSE ids[1 + floor(%(keys)s * luck ^ 2)::int] END AS key_id,
    CASE WHEN lane = 'batch' THEN batches.id END AS batch_id,
    drawn.created_at + wait AS claimed_at,
    drawn.created_at + wait + render AS arrived_at,
    drawn.created_at + wait + render + interval '40 ms' AS settled_at,
    CASE WHEN fate < 0.93 THEN 'completed' WHEN fate < 0.98 THEN 'failed' ELSE 'cancelled' END AS state,
    CASE WHEN fate < 0.95 THEN 'moderated' WHEN fate < 0.97 THEN 'unavailable' ELSE 'unknown' END AS kind
FROM (
    SELECT number, random() AS luck, random() AS fate, interval '0.02 s' * exp(4 * random()) AS wait,
        now() - interval '6 min' - interval '30 days' * (1 - number::float / %(settled)s) AS created_at,
        CASE WHEN mod(number, 20) < 12 THEN 'interactive' WHEN mod(number, 20) < 15 THEN 'async' ELSE 'batch' END AS lane,
        (ARRAY['midjourney-v6', 'flux-1-pro', 'stable-diffusion-3', 'dall-e-2', 'dall-e-3'])
            [1 + floor(5 * random())::int] AS model
    FROM generate_series(1, %(settled)s) AS number
) AS drawn
CROSS JOIN LATERAL (
    SELECT drawn.model, provider, upstream, price, interval '1 s' * longest * (0.3 + 0.7 * random()) AS render
    FROM (VALUES
        ('dall-e-3', 'openai', 'gpt-image-2', 0.053, 25), ('dall-e-2', 'openai', 'gpt-image-2', 0.02, 12),
        ('stable-diffusion-3', 'stability', 'sd3.5-large', 0.065, 9), ('flux-1-pro', 'bfl', 'flux-pro-1.1', 0.04, 8),
        ('midjourney-v6', 'midjourney', 'midjourney', 0.1, 90)
    ) AS known (model, provider, upstream, price, longest)
    WHERE known.model = drawn.model
) AS models
-- The first batch has fifty thousand lines, as many as there may be.
JOIN batches ON batches.id = 'batch_' || CASE WHEN drawn.number <= %(settled)s / 5 THEN 0 ELSE drawn.number / 10000 END
CROSS JOIN (SELECT array_agg(id ORDER BY id) AS ids FROM api_keys) AS keys
ORDER BY number;

INSERT INTO jobs (id, state, provider, model, upstream_model, lane, door, key_id, request_id, request, unit_price,
    price, charged, batch_id, line, custom_id, attempt, worker, error, created_at, run_after, dispatched_at,
    settled_at)
SELECT id, state, provider, model, upstream, lane, CASE lane WHEN 'interactive' THEN 'sync' ELSE lane END, key_id,
    'req_' || number,
    jsonb_build_object('model', model, 'prompt', 'a lighthouse in a storm, number ' || number, 'n', 1,
        'size', '1024x1024', 'quality', 'standard', 'style', NULL, 'response_format', 'url', 'extras', '{}'::jsonb),
    price, price, CASE state WHEN 'completed' THEN price ELSE 0 END, batch_id,
    CASE WHEN batch_id IS NOT NULL THEN number END, CASE WHEN batch_id IS NOT NULL THEN 'line-' || number END,
    1, provider || '-1', CASE state WHEN 'failed' THEN jsonb_build_object('kind', kind, 'message', 'It failed.') END,
    created_at, created_at, created_at, settled_at
FROM made ORDER BY number;

INSERT INTO job_events (job_id, event, attempt, worker, detail, at)
SELECT id, event, attempt, CASE WHEN attempt = 1 THEN provider || '-1' END,
    CASE event WHEN 'failed' THEN jsonb_build_object('kind', kind, 'message', 'It failed.') END, at
FROM made CROSS JOIN LATERAL (
    VALUES ('recorded', 0, created_at), ('admitted', 0, created_at), ('claimed', 1, claimed_at), (state, 1, settled_at)
) AS events (event, attempt, at)
ORDER BY number, at;

INSERT INTO provider_calls (id, job_id, attempt, provider, upstream_model, positions, outcome, sent_at, arrived_at,
    ended_at)
SELECT uuidv7(claimed_at - clock_timestamp()), id, 1, provider, upstream, '{0}',
    CASE WHEN state = 'completed' THEN 'delivered' WHEN kind = 'moderated' THEN 'refused'
        WHEN kind = 'unknown' THEN 'unknown' ELSE 'failed' END,
    claimed_at, CASE state WHEN 'completed' THEN arrived_at END, settled_at
FROM made ORDER BY number;

INSERT INTO images (name, job_id, position, object_key, bytes, sha256, created_at, expires_at, swept_at)
SELECT 'img-' || md5(number::text) || '.png', id, 0, 'bench/' || number, 1500000, md5(number::text), settled_at,
    settled_at + interval '1 hour',
    CASE WHEN settled_at < now() - interval '61 min' THEN settled_at + interval '1 hour' END
FROM made WHERE state = 'completed' ORDER BY number;

INSERT INTO postings (job_id, batch_id, key_id, entry, account, amount, at)
SELECT id, batch_id, key_id, entry, account, amount, at
FROM made CROSS JOIN LATERAL (VALUES
    ('reserved', 'budget', -price, created_at), ('reserved', 'reserved', price, created_at),
    (CASE state WHEN 'completed' THEN 'settled' ELSE 'released' END, 'reserved', -price, settled_at),
    (CASE state WHEN 'completed' THEN 'settled' ELSE 'released' END,
        CASE state WHEN 'completed' THEN 'spent' ELSE 'budget' END, price, settled_at)
) AS moved (entry, account, amount, at)
ORDER BY number;

INSERT INTO deliveries (id, key_id, url, event, job_id, state, tries, created_at, ended_at)
SELECT uuidv7(settled_at - clock_timestamp()), key_id, 'https://receiver.example/events', 'job.' || state, id,
    CASE WHEN luck < 0.98 THEN 'delivered' ELSE 'failed' END, 1, settled_at, settled_at
FROM made WHERE mod(number, 20) = 0 ORDER BY number;

INSERT INTO jobs (id, state, provider, model, upstream_model, lane, door, key_id, request_id, request, unit_price,
    price, created_at, run_after, lease_until)
SELECT uuidv7(created_at - clock_timestamp()), CASE WHEN live <= %(running)s THEN 'running' ELSE 'queued' END,
    provider, model, upstream, lane, CASE lane WHEN 'interactive' THEN 'sync' ELSE 'async' END, key_id, 'req_live',
    '{"model": "dall-e-3", "prompt": "a fox", "n": 1, "size": "1024x1024", "quality": "standard", "extras": {}}',
    price, price,
    created_at, created_at, CASE WHEN live <= %(running)s THEN now() + interval '1 day' END
FROM (
    SELECT number, provider, model, upstream, key_id, price, lane, row_number() OVER (ORDER BY number DESC) AS live
    FROM made ORDER BY number DESC LIMIT %(queued)s + %(running)s
) AS latest
CROSS JOIN LATERAL (SELECT now() - interval '5 min' * random() + interval '0 s' * live AS created_at) AS lately;

INSERT INTO job_events (job_id, event, attempt, at)
SELECT id, 'recorded', 0, created_at - interval '3 s' FROM jobs WHERE settled_at IS NULL;

DROP TABLE made;

RESET session_replication_role;

ANALYZE;
