<?php

// The add-on's address says which database it is; without one, and without Redis, the count lives as long as this container.
$url = env('DATABASE_URL');
$scheme = $url ? parse_url($url, PHP_URL_SCHEME) : null;

return [
    'default' => match ($scheme) {
        'postgres', 'postgresql' => 'pgsql',
        'mysql' => 'mariadb',
        default => 'sqlite',
    },
    'connections' => [
        'pgsql' => ['driver' => 'pgsql', 'url' => $url, 'charset' => 'utf8', 'search_path' => 'public', 'sslmode' => 'prefer'],
        'mariadb' => ['driver' => 'mariadb', 'url' => $url, 'charset' => 'utf8mb4', 'collation' => 'utf8mb4_unicode_ci'],
        'sqlite' => ['driver' => 'sqlite', 'database' => env('DB_DATABASE', '/tmp/visits.sqlite')],
    ],
    'migrations' => ['table' => 'migrations', 'update_date_on_publish' => true],
    'redis' => [
        'client' => 'phpredis',
        'default' => ['url' => env('REDIS_URL')],
    ],
];
