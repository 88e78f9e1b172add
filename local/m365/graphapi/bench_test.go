package graphapi_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

// BenchmarkBatchOfTwentyCreates measures the simulator over HTTP; ns/event is
// per created event.
func BenchmarkBatchOfTwentyCreates(b *testing.B) {
	w := start(b, exchange.Switches{}, &graphapi.Options{Limits: graphapi.Limits{Requests: -1}})
	n := 0
	for b.Loop() {
		b.StopTimer()
		var items []item
		for range 20 {
			n++
			items = append(items, creation(n, "transactionId", fmt.Sprint(n), "singleValueExtendedProperties", marked(fmt.Sprint(n))))
		}
		body, err := json.Marshal(item{"requests": items})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		w.must(200, "POST", "/$batch", body)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*20), "ns/event")
}
