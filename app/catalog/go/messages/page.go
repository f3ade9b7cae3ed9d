package main

import (
	"html/template"
	"io"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{{project}}</title></head>
  <body>
    <h1>{{project}}</h1>
    <p>Visit number {{.Visits}}, counted in {{.Store}}.</p>
    <form method="post" action="/messages"><button>Send a message</button></form>
    <p>Messages received from {{.Broker}}: {{.Received}}.</p>
  </body>
</html>
`))

// shown is what the page shows.
type shown struct {
	Visits   int64
	Store    string
	Received int64
	Broker   string
}

// render writes the page.
func render(w io.Writer, what shown) error {
	return page.Execute(w, what)
}
