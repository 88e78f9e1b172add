package host

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// copyBody copies the top-level members of a JSON object into the metadata, over what
// is there, whatever the letter case (§2.4). Arrays and nulls stay behind. This is how
// a sender spoofs metadata where dataType is not binary.
func copyBody(meta *object, body string) {
	for _, m := range bodyMembers(body) {
		if strings.HasSuffix(strings.ToLower(m.name), "trigger") {
			continue
		}
		meta.set(m.name, m.json)
	}
}

// bodyMembers reads the members that are copied; none if the body is no JSON object.
func bodyMembers(body string) []member {
	if t := strings.TrimLeft(body, " \t\r\n\ufeff"); t == "" || t[0] != '{' {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	if _, err := decoder.Token(); err != nil {
		return nil
	}
	var members []member
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil
		}
		text, ok := copied(value)
		if ok {
			members = append(members, member{name.(string), text})
		}
	}
	if _, err := decoder.Token(); err != nil || decoder.More() {
		return nil
	}
	return members
}

// copied is what a member's value becomes: scalars are made strings first, and those
// are doubly encoded like every string.
func copied(value json.RawMessage) (string, bool) {
	switch value[0] {
	case 'n', '[':
		return "", false
	case '{':
		var compact bytes.Buffer
		if json.Compact(&compact, value) != nil {
			return "", false
		}
		return compact.String(), true
	case 't':
		return twice("True"), true
	case 'f':
		return twice("False"), true
	case '"':
		var text string
		if json.Unmarshal(value, &text) != nil {
			return "", false
		}
		return twice(dateText(text)), true
	}
	return twice(numberText(string(value))), true
}

// numberText is a number as .NET prints it: integers as they are, others by value.
func numberText(text string) string {
	if !strings.ContainsAny(text, ".eE") {
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	if f == float64(int64(f)) && f < 1e15 && f > -1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strings.Replace(strconv.FormatFloat(f, 'g', -1, 64), "e", "E", 1)
}

// dateText is a text that looks like a date to Newtonsoft, printed as .NET prints
// dates; any other text is itself.
func dateText(text string) string {
	if len(text) < len(seconds) || text[10] != 'T' {
		return text
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Format("01/02/2006 15:04:05")
		}
	}
	return text
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
