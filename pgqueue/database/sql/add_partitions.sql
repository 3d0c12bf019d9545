-- The partitions of today and the coming week.
SELECT count(*)
FROM generate_series(0, 7) AS ahead,
     LATERAL pgqueue.add_partition(CAST(now() AT TIME ZONE 'UTC' AS date) + ahead) AS added
WHERE added
