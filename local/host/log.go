package host

import (
	"strings"
	"time"
)

// Level is how a line is shown.
type Level string

// The levels that the host uses.
const (
	Information Level = "Information"
	Warning     Level = "Warning"
	Error       Level = "Error"
)

// Line is one line of the host's log, or of the handler's output (§1.7).
type Line struct {
	Time  time.Time
	Level Level
	// Category is Host.Function.Console for the handler's output, Function.<Name> and
	// Function.<Name>.User for what belongs to an invocation, else Host.
	Category string
	// Invocation is the id of the invocation, where there is one.
	Invocation string
	Text       string
}

const (
	categoryHost    = "Host"
	categoryConsole = "Host.Function.Console"
)

// print writes one line to the log, if there is one.
func (h *Host) print(level Level, category, invocation, text string) {
	if h.options.Log != nil {
		h.options.Log(Line{h.clock.now(), level, category, invocation, text})
	}
}

// console takes a line of the handler's output.
func (h *Host) console(stderr bool, line string) {
	level := Information
	if stderr {
		level = Error
		if strings.Contains(strings.ToLower(line), "warn") {
			level = Warning
		}
	}
	category := categoryConsole
	if rest, ok := strings.CutPrefix(line, "LanguageWorkerConsoleLog"); ok {
		category, line = categoryHost, rest
	}
	h.print(level, category, "", line)
}

// frontLog takes what net/http has to say about connections.
type frontLog struct{ h *Host }

func (l frontLog) Write(text []byte) (int, error) {
	l.h.print(Warning, categoryHost, "", strings.TrimSpace(string(text)))
	return len(text), nil
}
