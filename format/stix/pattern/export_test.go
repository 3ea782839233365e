// SPDX-License-Identifier: Apache-2.0

package pattern

// Tree is what Parse read, for tests to compare.
func Tree(p *Pattern) any { return p.root }
