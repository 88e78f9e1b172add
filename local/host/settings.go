package host

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// settings are the app settings: the host's environment, names regardless of case.
type settings struct {
	env    []string
	values map[string]string // by lower-case name
}

func newSettings(env []string) settings {
	s := settings{env: env, values: make(map[string]string, len(env))}
	for _, kv := range env {
		if name, value, ok := strings.Cut(kv, "="); ok {
			s.values[strings.ToLower(name)] = value
		}
	}
	return s
}

func (s settings) get(name string) string { return s.values[strings.ToLower(name)] }

// expand replaces every %NAME% of a binding by the setting of that name. A name
// without a setting is an error (§3.2).
func (s settings) expand(text string) (string, error) {
	var missing []error
	out := replacePercents(text, func(name string) string {
		value, ok := s.values[strings.ToLower(name)]
		if !ok {
			missing = append(missing, fmt.Errorf("%%%s%% is not a setting", name))
		}
		return value
	})
	return out, errors.Join(missing...)
}

// expandLoosely replaces %NAME%, and removes it where there is no such setting (§1.4).
func (s settings) expandLoosely(text string) string { return replacePercents(text, s.get) }

// replacePercents calls value for every %NAME% in text. A lone percent sign stays.
func replacePercents(text string, value func(string) string) string {
	var b strings.Builder
	for {
		start := strings.IndexByte(text, '%')
		if start < 0 {
			break
		}
		length := strings.IndexByte(text[start+1:], '%')
		if length < 1 {
			break
		}
		b.WriteString(text[:start])
		b.WriteString(value(text[start+1 : start+1+length]))
		text = text[start+length+2:]
	}
	return b.String() + text
}

// disabled reports whether a setting switches the function off (§3.3).
func (s settings) disabled(function string) bool {
	for _, name := range []string{"AzureWebJobs." + function + ".Disabled", "AzureWebJobs_" + function + "_Disabled"} {
		if v := strings.ToLower(s.get(name)); v == "true" || v == "1" {
			return true
		}
	}
	return false
}

// parseSpan reads a .NET time span: [-][d.]hh:mm:ss[.fffffff].
func parseSpan(text string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	var days, hours, minutes int
	var seconds float64
	if day, after, ok := strings.Cut(rest, "."); ok && !strings.Contains(day, ":") {
		if _, err := fmt.Sscanf(day, "%d", &days); err != nil {
			return 0, fmt.Errorf("time span %q", text)
		}
		rest = after
	}
	if n, err := fmt.Sscanf(rest, "%d:%d:%f", &hours, &minutes, &seconds); n != 3 || err != nil {
		return 0, fmt.Errorf("time span %q is not hh:mm:ss", text)
	}
	if hours > 23 || minutes > 59 || seconds >= 60 {
		return 0, fmt.Errorf("time span %q is out of range", text)
	}
	d := time.Duration(days)*24*time.Hour + time.Duration(hours)*time.Hour +
		time.Duration(minutes)*time.Minute + time.Duration(seconds*float64(time.Second))
	if negative {
		d = -d
	}
	return d, nil
}
