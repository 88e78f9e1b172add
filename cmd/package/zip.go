package main

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pack zips the contents of a folder, host.json first.
func pack(folder, target string) (err error) {
	names, err := contents(folder)
	if err != nil {
		return err
	}
	f, err := os.Create(target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z := zip.NewWriter(f)
	for _, name := range names {
		if err := add(z, filepath.Join(folder, filepath.FromSlash(name)), name); err != nil {
			return err
		}
	}
	return z.Close()
}

// contents are the files below a folder, with slashes, host.json first.
func contents(folder string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	slices.SortFunc(names, func(a, b string) int {
		if (a == "host.json") != (b == "host.json") {
			if a == "host.json" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return names, err
}

// stamp is the earliest time that a zip can hold.
var stamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func add(z *zip.Writer, path, name string) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: stamp}
	header.SetMode(0o644)
	if name == binary {
		header.SetMode(0o755)
	}
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
