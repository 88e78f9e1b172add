// Package servicebus stands in for Azure Service Bus on one machine: queues,
// sessions, a topic, all in memory, reached by azservicebus over AMQP 1.0 on a
// TCP port, or without a connection by the program's own tests.
//
//	b := servicebus.New(servicebus.Options{Topology: servicebus.FromResources(r)})
//	s, err := b.Listen("127.0.0.1:0")
//	client, err := azservicebus.NewClientFromConnectionString(s.ConnectionString(), nil)
//
// Broker is the core: it knows nothing of AMQP, starts no goroutine and has no
// timer. Sender, Accept, Receive and Peek use it directly. Server is the wire:
// frames, links, $cbs and $management over the core.
//
// # What it does as the service does
//
//   - Peek-lock with lock tokens, renewal, expiry and delivery counts; receive
//     and delete; complete, abandon (with properties), release, dead-letter.
//   - Sessions: one holder each, in order, accepted by id or the next one that
//     has something; an accept waits, and is answered just before its client
//     gives up. A session is free again when its link ends.
//   - Dead-letter queues: by request, after MaxDeliveries failed tries, and on
//     expiry; with reason, description and source. They need no session.
//   - Scheduling by property and by request, cancelling, duplicate detection,
//     time to live, peeking, batches, topics with subscriptions and rules: SQL and
//     correlation filters (package rules), fixed with the topology.
//   - The limits of the Standard tier: 256 KB per message and per batch with all
//     properties, ids of 128 characters, 32 KB per property and 64 KB for all,
//     and how much an entity holds. Refusals carry the AMQP condition on which
//     azservicebus decides.
//
// # What tests can do with it
//
// Move the clock (Advance, or Options.Now and Tick), cut connections
// (DropConnections), take the whole bus away (Down), make one entity refuse
// (Refuse) or overflow (Limit), look inside (Peek, Used).
//
// # What is guessed
//
// None of this was compared with the real service (servicebus.md section 6):
//
//   - A plain message stays locked until expiry when its link ends; vendor
//     threads disagree: Options.FreeOnLinkLoss.
//   - What a closed or cut session gives back is not counted as failed:
//     Options.CountOnLinkLoss counts it when the connection was cut.
//   - A released message does not count. Dead letters count from 1 again, keep
//     their session id, and never expire.
//   - A batch is accepted as a whole or not at all; a duplicate in it is dropped.
//   - Of free sessions the one that has waited the longest is given next.
//   - An id that is too long, a property that is too large and a missing session
//     id are NotAllowed. The topic's size is that of all its copies.
//   - A session whose lock ran out has its link detached with SessionLockLost.
//   - A disposition for a delivery that the link does not know is ignored.
//   - Expiry happens when it is due, not when somebody next receives.
//
// # What is not built
//
// Deferring, session state, listing sessions, transactions, forwarding, throttling,
// actions of rules, partitions, administration over HTTP, TLS, and any
// check of tokens. Asking for one gets NotImplemented, or 501 from $management.
package servicebus
