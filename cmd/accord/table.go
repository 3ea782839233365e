// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// printTable writes a line of columns and one of cells for each row, aligned; with
// no row it tells stderr so in the words of none.
func printTable[T any](e *env, rows []T, none string, columns []string, cells func(T) []any) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(e.stderr, none)
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, strings.Join(columns, "\t")); err != nil {
		return err
	}
	for _, row := range rows {
		if err := printCells(w, cells(row)); err != nil {
			return err
		}
	}
	return w.Flush()
}

func printCells(w io.Writer, cells []any) error {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = cell(fmt.Sprint(c))
	}
	_, err := fmt.Fprintln(w, strings.Join(texts, "\t"))
	return err
}

// cell is text from outside as one cell of a table: what would move the cursor,
// hide text or end the cell is written out.
func cell(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
