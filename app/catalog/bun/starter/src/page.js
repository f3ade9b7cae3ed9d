/** The page, as HTML. */
export function page(visits, store) {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>{{project}}</title>
  </head>
  <body>
    <h1>{{project}}</h1>
    <p>Visit number ${visits}, counted in ${store}.</p>
  </body>
</html>`;
}
