<?php

namespace App;

use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Redis;

/** Counts visits. */
class Visits
{
    /** Counts one visit and says how many there were, and where. */
    public function count(): string
    {
        if (DB::getDefaultConnection() === 'sqlite' && config('database.redis.default.url')) {
            return $this->sentence(Redis::incr('visits'), 'Redis');
        }
        DB::table('visits')->insert(['at' => now()]);
        $store = ['pgsql' => 'PostgreSQL', 'mariadb' => 'MariaDB', 'sqlite' => 'memory'][DB::getDefaultConnection()];

        return $this->sentence(DB::table('visits')->count(), $store);
    }

    public function sentence(int $visits, string $store): string
    {
        return "Visit number {$visits}, counted in {$store}.";
    }
}
