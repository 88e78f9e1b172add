package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/settings"
)

// links is LINK_KEYS; the first key is in use.
type links struct{ keys []settings.LinkKey }

func newLinks() (*links, error) {
	k := &links{}
	_, err := k.add()
	return k, err
}

func parseLinks(text string) (*links, error) {
	keys, err := settings.ParseLinkKeys(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	return &links{keys}, nil
}

func (k *links) add() (id string, err error) {
	material := make([]byte, 32)
	rand.Read(material) // never fails
	written := append(k.written(), base64.RawURLEncoding.EncodeToString(material))
	keys, err := settings.ParseLinkKeys(strings.Join(written, ","))
	if err != nil {
		return "", err
	}
	k.keys = keys
	return keys[len(keys)-1].ID, nil
}

// at finds a key by its id.
func (k *links) at(id string) (int, error) {
	n := slices.IndexFunc(k.keys, func(key settings.LinkKey) bool { return key.ID == id })
	if n < 0 {
		return 0, fmt.Errorf("there is no link key %q; list shows the ids", id)
	}
	return n, nil
}

func (k *links) use(id string) error {
	n, err := k.at(id)
	if err != nil {
		return err
	}
	used := k.keys[n]
	k.keys = slices.Insert(slices.Delete(k.keys, n, n+1), 0, used)
	return nil
}

func (k *links) drop(id string) error {
	n, err := k.at(id)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("link key %s signs: use another one first", id)
	}
	k.keys = slices.Delete(k.keys, n, n+1)
	return nil
}

func (k *links) list() []string {
	lines := make([]string, len(k.keys))
	for i, key := range k.keys {
		lines[i] = key.ID + " verifies"
		if i == 0 {
			lines[i] = key.ID + " signs"
		}
	}
	return lines
}

func (k *links) written() []string {
	written := make([]string, len(k.keys))
	for i, key := range k.keys {
		written[i] = base64.RawURLEncoding.EncodeToString([]byte(key.Key.Reveal()))
	}
	return written
}

func (k *links) text() (string, error) { return strings.Join(k.written(), ","), nil }
