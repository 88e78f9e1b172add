// Package mirror makes random histories of both directions over the whole program in
// memory: the engine, the reader of calendars, the keeper of subscriptions and the
// receiver of notifications act on the twins of local/world, while people edit in
// Outlook and the booking app books, and while notifications, requests and processes are
// lost (write-path.md section 6; I1, I2, I4, I6, I7, A2, A6). It holds tests only.
//
// Meanwhile directions, scopes, calendars, settings and consents change, accounts are
// disconnected and connected, much is deleted at once and decided about. What is sent, and
// what is asked of Graph, is judged at that moment by the rules in force; at the end the
// booking app's copy, the calendars and the stored rows are compared.
//
// Two processes take turns. One dies before, after or during any of its effects, of a kind
// that is chosen, so that a request to Graph may land later; one stands still at an effect,
// and may lose its lock, while the other goes on and people act. Histories in which lanes
// are written at the same moment are those of local/history and of shared/engine.
//
// Ids of connections are random, so that a seed repeats what was done and not every order.
// A named history runs more often with -rapid.checks; by itself each property has 20.
package mirror
