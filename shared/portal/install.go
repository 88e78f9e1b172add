package portal

// install lists every page: who calls it, and how often. A POST may come twice, for
// double clicks; each function says what the second does.
func (p *Portal) install() map[string]page {
	return map[string]page{}
}
