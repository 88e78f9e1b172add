package exchange

import "slices"

var memoryNames = [...]string{"freed", "kept", "ghost", "forgotten"}

// String names the reading, as ParseMemory reads it.
func (m Memory) String() string { return memoryNames[m] }

// ParseMemory reads the name of a reading.
func ParseMemory(name string) (Memory, bool) {
	at := slices.Index(memoryNames[:], name)
	return Memory(max(at, 0)), at >= 0
}
