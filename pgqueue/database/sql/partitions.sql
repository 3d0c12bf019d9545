-- The coming week's partitions, and away with those that nobody keeps.
SELECT pgqueue.drop_partitions(),
       (SELECT count(*) FROM generate_series(0, 7) AS ahead,
        LATERAL pgqueue.add_partition(CAST(now() AT TIME ZONE 'UTC' AS date) + ahead) AS added WHERE added)
