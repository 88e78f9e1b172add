package infra

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Duration is an ISO 8601 duration of days, hours, minutes and seconds, as ARM
// writes them (P14D, PT5M). A day is 24 hours. Years and months are refused.
type Duration time.Duration

var pattern = regexp.MustCompile(`^P(?:(\d{1,5})D)?(T(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,5})S)?)?$`)

// ParseDuration reads one; "P" and "PT" alone are refused.
func ParseDuration(s string) (Duration, error) {
	m := pattern.FindStringSubmatch(s)
	if m == nil || m[1]+m[3]+m[4]+m[5] == "" || m[2] == "T" {
		return 0, fmt.Errorf("infra.ParseDuration(%q): not of the form P14D or PT5M", s)
	}
	var total time.Duration
	for group, unit := range map[int]time.Duration{1: 24 * time.Hour, 3: time.Hour, 4: time.Minute, 5: time.Second} {
		if m[group] == "" {
			continue
		}
		n, err := strconv.Atoi(m[group])
		if err != nil {
			return 0, fmt.Errorf("infra.ParseDuration(%q): %w", s, err)
		}
		total += time.Duration(n) * unit
	}
	return Duration(total), nil
}

// UnmarshalJSON reads a JSON string.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := ParseDuration(s)
	*d = v
	return err
}
