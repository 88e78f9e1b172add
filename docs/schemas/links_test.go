package schemas_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linkPattern    = regexp.MustCompile(`(?:^|[^!])\[[^\]]*\]\(([^)\s]+)\)`)
	headingPattern = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchors   = regexp.MustCompile(`[^a-z0-9 -]`)
	fencePattern   = regexp.MustCompile("(?s)```.*?```")
)

// What the documents link to in this repository is there, down to the heading.
func TestTheLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, page := range append(pages, "../../README.md") {
		for _, m := range linkPattern.FindAllStringSubmatch(prose(t, page), -1) {
			path, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			links++
			to := page
			if path != "" {
				to = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if fragment != "" && !anchors(t, to)[fragment] {
				t.Errorf("%s: %s has no heading #%s", page, to, fragment)
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links were found", links)
	}
}

// prose is a page without its blocks of commands and examples.
func prose(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return fencePattern.ReplaceAllString(string(text), "")
}

// anchors are the names that readers of Markdown give to a page's headings.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, m := range headingPattern.FindAllStringSubmatch(prose(t, page), -1) {
		all[strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return all
}
