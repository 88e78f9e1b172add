// Package schemas carries the published JSON Schemas (draft 2020-12): the
// booking that a product sends and the events that Calbridge publishes. They are
// files, so that integrators can copy them, and a package, so that the program
// validates against exactly what is published.
package schemas

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed *.json
var files embed.FS

// Booking is the file of the booking message.
const Booking = "booking.v1.json"

// Read returns the text of a schema by its file name.
func Read(name string) ([]byte, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("schemas.Read(%q): %w", name, err)
	}
	return text, nil
}

// Names lists the files.
func Names() []string {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		panic(err) // only a malformed pattern
	}
	return names
}
