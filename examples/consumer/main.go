// Command consumer reads the topic changes and prints what a booking app would
// learn, until Ctrl-C. It is an example to copy: it needs azservicebus and a
// connection string in SERVICEBUS, nothing of Calbridge.
//
// A consumer sees every event at least once. It drops an event whose id it
// knows, and a result whose sequence is not higher than the last one of the same
// delivery: after a crash an older one may come again.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	client, err := azservicebus.NewClientFromConnectionString(os.Getenv("SERVICEBUS"), nil)
	if err != nil {
		return fmt.Errorf("SERVICEBUS: %w", err)
	}
	defer client.Close(context.WithoutCancel(ctx))
	receiver, err := client.NewReceiverForSubscription("changes", "all", nil)
	if err != nil {
		return err
	}
	known := memory{ids: map[string]bool{}, last: map[delivery]int64{}}
	for ctx.Err() == nil {
		messages, err := receiver.ReceiveMessages(ctx, 50, nil)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		for _, m := range messages {
			known.show(m.Body)
			// Only what was handled is completed; anything else comes again.
			settle, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := receiver.CompleteMessage(settle, m, nil)
			cancel()
			if err != nil {
				fmt.Fprintln(os.Stderr, "not completed, it will come again:", err)
			}
		}
	}
	return nil
}

// event is a CloudEvents event of Calbridge, as far as this program looks.
type event struct {
	ID, Type, Source, Subject string
	Data                      struct {
		User, Room, State, Reason, Message string
		Revision, Sequence                 int64
		EventID                            string
		Faults                             []struct{ Pointer, Code, Detail string }
		// Of appointments, and of bookings that people changed in Outlook.
		Change, ShowAs, Title, Rule string
		Start, End                  struct{ DateTime string }
	}
}

// delivery is one booking for one person or room.
type delivery struct{ source, booking, user, room string }

// memory is what a real consumer keeps in its own database.
type memory struct {
	ids  map[string]bool
	last map[delivery]int64
}

func (m memory) show(body []byte) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		fmt.Println("not an event:", err)
		return
	}
	if m.ids[e.ID] {
		return
	}
	m.ids[e.ID] = true
	d := e.Data
	switch e.Type {
	case "calbridge.delivery.v1":
		key := delivery{e.Source, e.Subject, d.User, d.Room}
		if d.Sequence <= m.last[key] {
			return
		}
		m.last[key] = d.Sequence
		fmt.Printf("%-16s %-8s revision %d: %s %s\n", e.Subject, d.User+d.Room, d.Revision, d.State, d.Reason)
	case "calbridge.rejected.v1":
		fmt.Printf("%-16s rejected:\n", e.Subject)
		for _, f := range d.Faults {
			fmt.Printf("  %s: %s\n", f.Pointer, f.Detail)
		}
	case "calbridge.connection.v1":
		fmt.Printf("%-16s %-8s connection: %s %s  %s\n", "", d.User, d.State, d.Reason, d.Message)
	case "calbridge.appointment.v1": // of a connected calendar; the title only where it is told
		fmt.Printf("%-16s %-8s appointment %s: %s %s %s  %q\n", "", d.User, d.Change, d.Start.DateTime, d.End.DateTime, d.ShowAs, d.Title)
	case "calbridge.booking.changed.v1":
		fmt.Printf("%-16s %-8s %s in Outlook, rule %s\n", e.Subject, d.User+d.Room, d.Change, d.Rule)
	case "calbridge.consent.v1":
		fmt.Printf("%-16s consent: %s  %s\n", e.Source[strings.LastIndex(e.Source, "/")+1:], d.State, d.Message)
	default: // types that come later are skipped, not refused
		fmt.Printf("%-16s %s %s\n", e.Subject, e.Type, d.Message)
	}
}
