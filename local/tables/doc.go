// Package tables is Azure Table Storage on one machine: a Store in memory, a
// Server that speaks the Table REST protocol over it, and Direct, the same Store
// as a state.Tables without HTTP. All three share the suite state/statetest with
// Azurite. It is as strict as the service or stricter, so that what works here
// works there.
//
// # What is stored
//
// Tables of partitions of rows in the order of their row keys, compared byte by
// byte. A write replaces a row by a new one under one lock, so a transaction is
// atomic and a reader sees all of it or nothing. Every write gets a Timestamp of
// its own, at least 100 ns after the one before even when the injected clock
// stands still, and the ETag is made from it. Nothing is kept on disk.
//
// # What the server refuses
//
// Requests without a valid SharedKey or SharedKeyLite signature of the emulator's
// account, without x-ms-version or with an Accept other than JSON; transactions
// over two partitions, of the same row twice, of more than 100 changes or 4 MiB;
// entities over 1 MiB or 252 properties; properties over 64 KiB; keys over 1 KiB or
// with / \ # ? or control characters; property names that are no identifiers;
// numbers that fit no type; filters of more than 15 comparisons. The limits are
// those of write-path.md section 2 and of Microsoft's "Understanding the Table
// service data model".
//
// A refused transaction answers 202 with a multipart body whose only part carries
// the status, the code and "index:message" (servicebus.md section 9;
// Microsoft, "Performing entity group transactions", sample error response).
//
// # What is guessed
//
//   - Keys count two bytes a UTF-16 unit towards 1 KiB. The service may allow 1,024
//     characters; this is the stricter reading.
//   - The order of characters beyond U+FFFF among each other and against U+E000 to
//     U+FFFF: bytes here, UTF-16 units in Azurite. Our keys are ASCII.
//   - The codes of refusals that Azurite does not make (a transaction over two
//     partitions: CommandsInBatchActOnDifferentPartitions; 101 changes: InvalidInput).
//   - A deleted table's name is refused for 40 s (TableBeingDeleted).
//   - A body whose keys differ from the URL's is refused; the service may ignore them.
//   - A continuation may come with an empty page; Options.EmptyPages makes it so.
//   - The age of x-ms-date is not checked, because clocks are moved in tests.
//
// # Faults
//
// Server.Down answers 503 to everything. Server.Fail asks a function, per request,
// for an error instead of the work, a cut connection, an answer lost after the
// work is done, or a wait before or after it.
package tables
