<?php

use Illuminate\Foundation\Application;
use Illuminate\Foundation\Configuration\Exceptions;
use Illuminate\Foundation\Configuration\Middleware;

return Application::configure(basePath: dirname(__DIR__))
    ->withRouting(web: __DIR__.'/../routes/web.php', health: '/up')
    // The edge is the only one that reaches this server.
    ->withMiddleware(fn (Middleware $middleware) => $middleware->trustProxies(at: '*'))
    ->withExceptions(fn (Exceptions $exceptions) => null)
    ->create();
