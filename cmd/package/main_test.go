package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The layout that the host wants, from this project's own functions; the binary
// is not built here.
func TestTheZipHasHostJSONOnTopAndTheRightModes(t *testing.T) {
	out := t.TempDir()
	app := filepath.Join(out, "app")
	if err := gather("../..", app); err != nil {
		t.Fatal(err)
	}
	// The folder's own mode must not matter: it may come from a system without modes.
	if err := os.WriteFile(filepath.Join(app, "handler"), []byte("binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(out, "app.zip")
	if err := pack(app, archive); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	got := map[string]string{}
	for _, f := range z.File {
		got[f.Name] = f.Mode().String()
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || len(content) == 0 {
			t.Errorf("%s: %d bytes, %v", f.Name, len(content), err)
		}
	}
	want := map[string]string{"host.json": "-rw-r--r--", "handler": "-rwxr-xr-x"}
	functions, err := os.ReadDir("../../functions")
	if err != nil || len(functions) < 8 {
		t.Fatalf("%v: %d functions", err, len(functions))
	}
	for _, f := range functions {
		want[f.Name()+"/function.json"] = "-rw-r--r--"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if z.File[0].Name != "host.json" {
		t.Errorf("%s is on top", z.File[0].Name)
	}
}

func TestTheSameContentsMakeTheSameZip(t *testing.T) {
	var zips [2][]byte
	for i := range zips {
		out := t.TempDir()
		app := filepath.Join(out, "app")
		if err := gather("../..", app); err != nil {
			t.Fatal(err)
		}
		if err := pack(app, filepath.Join(out, "app.zip")); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(out, "app.zip"))
		if err != nil {
			t.Fatal(err)
		}
		zips[i] = b
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("they differ")
	}
}

func TestAFolderWithoutFunctionsIsNotPackaged(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "host.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if gather(root, filepath.Join(root, "app")) == nil {
		t.Error("packaged")
	}
}
