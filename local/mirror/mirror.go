// Package mirror makes random histories of both directions over the whole program in
// memory: the engine, the reader of calendars, the keeper of subscriptions and the
// receiver of notifications act on the twins of local/world, while people edit in
// Outlook and the booking app books, and while notifications, requests and processes are
// lost (write-path.md section 6; I1, I2, I4, I6, I7, A2, A6). It holds tests only.
//
// One process runs at a time, and dies before or after any of its effects; histories in
// which lanes are written at the same moment are those of local/history and of
// shared/engine.
package mirror
