package main

import (
	"html/template"
	"io"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{{project}}</title></head>
  <body><h1>{{project}}</h1><p>Visit number {{.Visits}}, counted in {{.Store}}.</p></body>
</html>
`))

// render writes the page.
func render(w io.Writer, visits int64, store string) error {
	return page.Execute(w, struct {
		Visits int64
		Store  string
	}{visits, store})
}
