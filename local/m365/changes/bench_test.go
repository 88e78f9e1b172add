package changes_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

// What a round costs in a calendar of so many events, of which none has changed.
func BenchmarkUnchanged(b *testing.B) {
	for _, size := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			store := exchange.New(func() time.Time { return from }, exchange.Switches{})
			store.AddUser(acme, exchange.User{Principal: aino})
			for i := range size {
				at := from.Add(time.Duration(i%700) * time.Hour)
				start, end := exchange.Time{DateTime: at.Format("2006-01-02T15:04:05"), Zone: "UTC"}, exchange.Time{DateTime: at.Add(time.Hour).Format("2006-01-02T15:04:05"), Zone: "UTC"}
				if _, err := store.Owner(acme, aino).Create(exchange.Change{Start: &start, End: &end}); err != nil {
					b.Fatal(err)
				}
			}
			tracker := changes.New(store, func() time.Time { return from })
			ask := changes.Request{Tenant: acme, App: "app", User: aino, From: from, To: to, Size: 1000}
			next := func() {
				p, err := tracker.Read(ask)
				if err != nil {
					b.Fatal(err)
				}
				ask.Token = p.Next + p.Delta
			}
			for range size/1000 + 1 {
				next()
			}
			for b.Loop() {
				next()
			}
		})
	}
}
