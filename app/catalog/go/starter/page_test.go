package main

import (
	"strings"
	"testing"
)

func TestThePageShowsTheCountAndWhereItIsKept(t *testing.T) {
	var html strings.Builder
	if err := render(&html, 7, "memory"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(html.String(), "Visit number 7, counted in memory.") {
		t.Fatal(html.String())
	}
}
