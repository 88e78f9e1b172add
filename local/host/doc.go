// Package host is the stand-in for the Azure Functions host (v4, 4.1037.0) on
// one machine: it reads host.json and the function folders beside it, starts the
// custom handler, and drives it over the same wire as the real host does. Section
// numbers below and in the files are those of the contract between host and handler.
//
// # Use
//
//	h, err := host.New("build/app", host.Options{Env: env, Log: print})
//	err = h.Run(ctx) // serves until ctx ends, then stops gracefully
//
// The folder must be laid out as it is deployed: host.json and <Name>/function.json
// side by side (§3.1). New reports every fault of the configuration at once; the real
// host would drop a bad function and go on.
//
// # What it reproduces
//
//   - process life: environment §1.1, one port for all starts §1.2, readiness by
//     GET / §1.3, command line §1.4, exit codes and the three crashes §1.5, SIGKILL
//     §1.6, stdout and stderr §1.7. Where the real host shuts down it plays the
//     platform too: a new host, with a new port and the counter at zero, after 1 s;
//   - HTTP: route templates and constraints §3.2, keys, forwarding with its faults
//     §2.1 and §2.2 (bent paths, joined queries, the two headers that are believed),
//     envelopes for functions that are not pure HTTP;
//   - envelopes §2.1 to §2.7, header order and doubly encoded metadata included;
//   - replies §2.5. A reply that would hang the real host is logged as an error,
//     and the handler is killed at functionTimeout;
//   - Service Bus §2.4 and §5: sessions, slots with idle hold, renewal from the accept,
//     complete and abandon, dead-letter queues, batches;
//   - timers §2.7, six fields, one call at a time, IsPastDue;
//   - scaling groups §6.1 with Options.PerFunctionGroup: one handler process for all
//     HTTP functions together and one for each other function.
//
// # Keys
//
// There is one function key, "local-function", and the master key "local-admin".
// They are looked for in the header x-functions-key, then in the query as code.
//
// # Time
//
// Options.Now is the host's clock. Timers follow it alone. Spans (idle hold, lock
// renewal, functionTimeout, the pause before a new host) end when either that much
// real time has passed, or the clock has moved that far; a test that moves the clock
// calls Tick afterwards.
//
// # Stricter than, or unlike, the real host
//
//   - a faulty function.json or host.json fails New; absolute request targets and
//     broken percent signs get 400; multi-part segments, default values and datetime
//     constraints in route templates are refused;
//   - the order of forwarded request headers is alphabetical (Go's server does not
//     keep it), the host's own come last;
//   - timer status lives in memory, not in a blob.
//
// # Guessed
//
// The contract marks these as unknown, or does not say: the identity object of HTTP
// envelopes when a key was sent (anonymous here); which property order a JSON body's
// copied members take (theirs); that a changed clock which passes several occurrences
// at once is what the real host would call past due; what an unknown URI scheme in
// X-Forwarded-Proto does to the path (treated like http).
package host
