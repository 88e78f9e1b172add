package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/calbridge/calbridge/shared/settings"
)

// portSetting is what the Functions host sets for its handler at every start.
const portSetting = "FUNCTIONS_CUSTOMHANDLER_PORT"

// check reads settings as the handler does at its start. The error has one line per
// fault, with the name of the setting and never its value.
func check(args []string, s streams) error {
	lookup := s.env
	switch len(args) {
	case 0:
	case 1:
		values, err := valuesOf(args[0])
		if err != nil {
			return err
		}
		lookup = func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	default:
		return errUsage
	}
	read, err := settings.Read(started(lookup))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "The settings are in order. Link keys: %d, of which %s signs.\n", len(read.LinkKeys), read.LinkKeys[0].ID)
	return err
}

// started adds the port, which the host chooses.
func started(lookup settings.Lookup) settings.Lookup {
	return func(name string) (string, bool) {
		if value, found := lookup(name); name != portSetting || found && value != "" {
			return value, found
		}
		return "1", true
	}
}

// valuesOf reads the Values of a local.settings.json.
func valuesOf(path string) (map[string]string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		IsEncrypted bool
		Values      map[string]string
	}
	// The decoder's own error could quote a value.
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("%s is no local.settings.json: JSON with Values, each a string", path)
	}
	if file.IsEncrypted {
		return nil, errors.New(path + " is encrypted: func settings decrypt")
	}
	return file.Values, nil
}
