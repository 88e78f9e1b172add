package queue

import (
	"context"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// senders keeps one open link per entity and replaces it after an error that may
// have ended it: the SDK itself never replaces a link that the bus closed for a
// reason it takes as final (an entity that was missing for a moment).
type senders struct {
	mu   sync.Mutex
	open map[string]*sharedSender
}

// sharedSender is closed by its last user once it is retired, because closing
// fails whatever is under way on the link.
type sharedSender struct {
	entity  string
	sender  *azservicebus.Sender
	users   int
	retired bool
}

func (s *senders) get(client *azservicebus.Client, entity string) (*sharedSender, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := s.open[entity]
	if shared == nil {
		sender, err := client.NewSender(entity, nil)
		if err != nil {
			return nil, err
		}
		shared = &sharedSender{entity: entity, sender: sender}
		s.open[entity] = shared
	}
	shared.users++
	return shared, nil
}

func (s *senders) put(shared *sharedSender, retire bool) {
	s.mu.Lock()
	shared.users--
	if retire && !shared.retired {
		shared.retired = true
		delete(s.open, shared.entity)
	}
	last := shared.retired && shared.users == 0
	s.mu.Unlock()
	if last {
		closeQuietly(shared.sender)
	}
}

// closeQuietly closes a link that nobody uses any more. What goes wrong there
// concerns nobody; a bus that does not answer must not hold up the caller.
func closeQuietly(s *azservicebus.Sender) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.Close(ctx)
}
