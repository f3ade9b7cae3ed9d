<?php

namespace Tests;

use App\Visits;
use PHPUnit\Framework\TestCase;

class VisitsTest extends TestCase
{
    public function test_it_shows_the_count_and_where_it_is_kept(): void
    {
        $this->assertSame('Visit number 7, counted in memory.', (new Visits)->sentence(7, 'memory'));
    }
}
