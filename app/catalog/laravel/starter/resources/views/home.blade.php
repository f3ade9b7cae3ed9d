<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{{project}}</title></head>
  <body><h1>{{project}}</h1><p>{{ $sentence }}</p></body>
</html>
