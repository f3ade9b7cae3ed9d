package main

import (
	"strings"
	"testing"
)

func TestThePageShowsWhatWasCountedAndSendsMore(t *testing.T) {
	var html strings.Builder
	if err := render(&html, shown{7, "memory", 3, "a broker"}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"Visit number 7, counted in memory.",
		"Messages received from a broker: 3.",
		`<form method="post" action="/messages">`,
	} {
		if !strings.Contains(html.String(), part) {
			t.Errorf("%s is missing in %s", part, html.String())
		}
	}
}
