// Package stack is Calbridge with everything around it on one machine: the
// simulator of Microsoft 365 with Entra, tables, broker, the stand-in for the
// Functions host, and the handler under it. cmd/local and the end-to-end tests
// start the same composition.
//
// # Use
//
//	app, err := stack.Build(ctx, repository, dir) // go build, and the folder as it is deployed
//	s, err := stack.Start(ctx, stack.Options{App: app, Settings: sample})
//	defer s.Close()
//	s.API().PutOrganization(...)
//
// # What is embedded
//
// Four parts: TABLES, SERVICEBUS, GRAPH_ENDPOINT, ENTRA_AUTHORITY. One that
// Options.Environment names is not started, and that value goes to the handler.
// Their fields of Stack are nil then.
//
// # Time
//
// Clock is the real clock moved by an offset, and one for all parts. A handler that is a
// process of its own has the real clock, so tests that move the clock run the handler in
// the same program, by Options.Launcher and host.InProcess, through the very
// function that cmd/handler calls; its death then is a cancelled context. Death by
// kill -9 is tested with the real binary and the real clock.
//
// Everything listens on loopback, with keys that are public knowledge.
package stack
