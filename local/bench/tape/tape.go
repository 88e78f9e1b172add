// Package tape is what the benchmarks recorded of the handler's requests, for the
// bare program to make again.
package tape

import (
	"encoding/json"
	"net/http"
	"os"
)

// Exchange is one request and its answer.
type Exchange struct {
	Service  string // graph or tables
	Method   string
	Target   string // path and query
	Header   http.Header
	Body     []byte
	Status   int
	Answer   http.Header
	Response []byte
}

// Tape is everything that one run asked for.
type Tape struct {
	// Deliveries is how many results were published.
	Deliveries int
	Exchanges  []Exchange
	// Events are the bodies sent to the topic, Batch how many go into one send.
	Events [][]byte
	Batch  int
}

// ID is the header by which the canned server finds an answer.
const ID = "X-Replay"

// Write stores a tape.
func Write(path string, t Tape) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// Read loads a tape.
func Read(path string) (t Tape, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}
