// Package browser drives Chromium for tests of the pages: a person with a browser
// of their own, who reads, fills in and presses what is on the page.
//
// # What a person can do
//
// A [Person] has their own cookies, as a private window has. They find things as
// people do: a button or link by its words, a field by its label. Each step waits,
// for at most [patience], until what it names is there; nothing sleeps.
//
// # What is checked on the way
//
// [Person.Accessible] runs axe-core on the page at hand. Everything that the browser
// complains of (errors of scripts, what the Content-Security-Policy refused, requests
// that failed) is kept, and fails the test at its end: see [Person.Complaints].
//
// CHROMIUM names the program and AXE the script; make test installs both and sets them.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long a step waits for what it names. It is long, so that a busy
// machine fails no test; who succeeds waits for nothing.
const patience = 30 * time.Second

// The window, in pixels.
const width, height = 1000, 900

// Browser is one Chromium process.
type Browser struct {
	ctx context.Context
	axe string // the script
}

// Start starts Chromium for a test.
func Start(t testing.TB) *Browser {
	t.Helper()
	program, script := os.Getenv("CHROMIUM"), os.Getenv("AXE")
	if program == "" || script == "" {
		t.Fatal("CHROMIUM and AXE do not name Chromium and axe-core: run the tests with `make test`, which installs them, or with -short, which leaves the tests of the pages out")
	}
	axe, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.WindowSize(width, height), chromedp.Flag("lang", "en"),
		chromedp.Flag("no-sandbox", os.Geteuid() == 0), // Chromium refuses to run as root without
		chromedp.Flag("disable-dev-shm-usage", true))
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(end)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return &Browser{ctx: ctx, axe: string(axe)}
}

// Person is somebody with a browser of their own.
type Person struct {
	t       testing.TB
	b       *Browser
	context cdp.BrowserContextID // whose cookies these are
	ctx     context.Context

	mu         sync.Mutex
	complaints []string
}

// Person opens a window without cookies.
func (b *Browser) Person(t testing.TB) *Person {
	t.Helper()
	p := &Person{t: t, b: b}
	err := b.run(func(ctx context.Context) (err error) {
		p.context, err = target.CreateBrowserContext().Do(ctx)
		return err
	})
	if err != nil {
		t.Fatalf("open a window: %v", err)
	}
	p.open(true)
	return p
}

// Tab opens another tab with the person's cookies.
func (p *Person) Tab() *Person {
	p.t.Helper()
	other := &Person{t: p.t, b: p.b, context: p.context}
	other.open(false)
	return other
}

// open makes the page that a person looks at. chromedp's own way to a private
// window fails in the Chromium of today, which wants a window for its first tab.
func (p *Person) open(window bool) {
	p.t.Helper()
	var id target.ID
	err := p.b.run(func(ctx context.Context) (err error) {
		id, err = target.CreateTarget("about:blank").WithBrowserContextID(p.context).WithNewWindow(window).Do(ctx)
		return err
	})
	if err != nil {
		p.t.Fatalf("open a tab: %v", err)
	}
	ctx, end := chromedp.NewContext(p.b.ctx, chromedp.WithTargetID(id))
	p.t.Cleanup(end)
	p.ctx = ctx
	chromedp.ListenTarget(ctx, p.hear)
	if err := chromedp.Run(ctx); err != nil { // not by do: what is attached here ends with the context given
		p.t.Fatalf("open a tab: %v", err)
	}
	p.do("set the tab up", chromedp.EmulateViewport(width, height), log.Enable(), runtime.Enable())
}

// run makes a call to the browser itself.
func (b *Browser) run(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return f(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
}

func (p *Person) hear(event any) {
	text := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			text = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		text = "script: " + e.ExceptionDetails.Text
	}
	if text != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.complaints = append(p.complaints, text)
	}
}

// Complaints are what the browser complained of since the last call, but for those
// that contain one of the expected texts.
func (p *Person) Complaints(expected ...string) (rest []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		known := false
		for _, e := range expected {
			known = known || strings.Contains(c, e)
		}
		if !known {
			rest = append(rest, c)
		}
	}
	p.complaints = nil
	return rest
}

// do runs actions, and fails the test with what the page says when they do not
// come to an end.
func (p *Person) do(what string, actions ...chromedp.Action) {
	p.t.Helper()
	if err := p.try(actions...); err != nil {
		p.t.Fatalf("%s: %v\nat %s, where it says:\n%s", what, err, p.where(), p.words())
	}
}

func (p *Person) try(actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	err := chromedp.Run(ctx, actions...)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not there after %v", patience)
	}
	return err
}

func (p *Person) where() (location string) {
	if err := p.try(chromedp.Location(&location)); err != nil {
		return err.Error()
	}
	return location
}

func (p *Person) words() (text string) {
	if err := p.try(chromedp.Evaluate(`document.body ? document.body.innerText : ""`, &text)); err != nil {
		return err.Error()
	}
	return text
}
