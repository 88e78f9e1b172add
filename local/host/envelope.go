package host

import (
	"time"

	"github.com/google/uuid"
)

// envelope is the body of a call (§2.1): Data.<binding> and Metadata.
func envelope(binding, data string, metadata *object) []byte {
	b := make([]byte, 0, len(data)+1024)
	b = append(b, `{"Data":{`...)
	b = appendQuoted(b, binding)
	b = append(b, ':')
	b = append(b, data...)
	b = append(b, `},"Metadata":`...)
	b = metadata.append(b)
	return append(b, '}')
}

// sys is the entry that every call has.
func sys(function string, now time.Time, id uuid.UUID) string {
	return `{"MethodName":` + quote(function) + `,"UtcNow":` + quotedTime(now, fullPrecision, "Z") +
		`,"RandGuid":"` + id.String() + `"}`
}
