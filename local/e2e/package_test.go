package e2e

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/stack"
)

// app.zip, unpacked into a folder that is then made read-only as Flex Consumption
// mounts it (functions/contract.md 1.8), is started under the local host and gets a
// booking over HTTP and one from the queue. Root could write all the same, and so the
// folder must be afterwards what it was.
func TestThePackageIsUnpackedAndWritesBookings(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Log("the package is for linux/amd64; the tests of cmd/package inspect it")
		return
	}
	const version, commit = "9.8.7-e2e", "0123456789abcdef0123456789abcdef01234567"
	app := unpack(t, packed(t, version, commit))
	before := contents(t, app)
	w := start(t, stack.Options{App: app})

	got, err := w.API().Do(t.Context(), "GET", "health", "", "", nil)
	if err != nil || got.Status != 200 {
		t.Fatalf("health: %v, %d %s", err, got.Status, got.Body)
	}
	var health struct {
		Status, Version, Commit string
		Dependencies            map[string]string
	}
	if err := json.Unmarshal(got.Body, &health); err != nil {
		t.Fatal(err)
	}
	if health.Status != "ok" || health.Version != version || health.Commit != commit || len(health.Dependencies) == 0 {
		t.Errorf("health: %+v", health)
	}

	w.people("aino", "bo")
	web := booked{Organization: acme, ID: "web", Revision: 1, People: []string{"aino"}}
	w.accept(web)
	queued := booked{Organization: acme, ID: "queued", Revision: 1, People: []string{"bo"}}
	w.enqueue(queued)
	for _, b := range []booked{web, queued} {
		w.settle(b, "written")
		if got := w.subjects(b.People[0]); !slices.Equal(got, []string{"Title of " + b.ID}) {
			t.Errorf("calendar of %s: %q", b.People[0], got)
		}
	}
	w.nothingLost()
	if n := w.Host.Restarts(); n != 0 {
		t.Errorf("%d restarts", n)
	}
	if diff := cmp.Diff(before, contents(t, app)); diff != "" {
		t.Errorf("the folder has changed (-before +after)\n%s", diff)
	}
}

// enqueue puts a booking on the queue, as a booking app does.
func (w *world) enqueue(b booked) {
	w.t.Helper()
	client, err := w.Client()
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close(w.t.Context())
	sender, err := client.NewSender("bookings", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	id := "m-" + b.ID
	if err := sender.SendMessage(w.t.Context(), &azservicebus.Message{MessageID: &id, Body: b.event()}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// packed makes app.zip as make package does.
func packed(t *testing.T, version, commit string) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/package", "-version", version, "-commit", commit, "-out", out)
	cmd.Dir = repository(t, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return filepath.Join(out, "app.zip")
}

// unpack unpacks a zip with the modes that are in it, less those to write.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	root := filepath.Join(t.TempDir(), "wwwroot")
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) {
			t.Fatalf("%s leads out of the folder", f.Name)
		}
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(path, content, f.Mode().Perm()&^0o222)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	folders(t, root, 0o555)
	t.Cleanup(func() { folders(t, root, 0o755) }) // so that it can be removed
	return root
}

// folders changes the mode of every folder.
func folders(t *testing.T, root string, mode fs.FileMode) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// contents is everything below a folder: mode, time and hash.
func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var content []byte
		if !entry.IsDir() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[path] = fmt.Sprintf("%s %s %x", info.Mode(), info.ModTime(), sha256.Sum256(content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
