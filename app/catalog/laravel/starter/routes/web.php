<?php

use App\Visits;
use Illuminate\Support\Facades\Route;

Route::get('/', fn (Visits $visits) => view('home', ['sentence' => $visits->count()]));
