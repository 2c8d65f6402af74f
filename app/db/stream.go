package db

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// Stream runs a query in the transaction in ctx and hands over its rows one by
// one, as PostgreSQL sends them: each column's bytes in binary form, nil for
// NULL, good until the function returns, which may not ask the database itself. For
// millions of rows, which neither gather in memory nor pay for being decoded.
// Only store files call it.
func (d *DB) Stream(ctx context.Context, query string, args []any, row func(columns [][]byte) error) error {
	o, ok := ctx.Value(key{}).(*open)
	if !ok {
		panic("db: SQL outside a transaction")
	}
	return o.conn.Raw(func(driver any) error {
		rows, err := driver.(*stdlib.Conn).Conn().Query(ctx, query, args...) //nolint:forcetypeassert // there is one driver
		if err != nil {
			return err
		}
		defer rows.Close()
		for _, column := range rows.FieldDescriptions() {
			if column.Format != pgx.BinaryFormatCode && column.DataTypeOID != pgtype.TextOID {
				return fmt.Errorf("db: column %s of a stream is not in binary form", column.Name)
			}
		}
		for rows.Next() {
			if err := row(rows.RawValues()); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// Int64 reads a bigint column of a stream, or a timestamptz: microseconds since
// the year 2000.
func Int64(column []byte) int64 { return int64(binary.BigEndian.Uint64(column)) }

// Int32 reads an integer column of a stream, or a date: days since the year 2000.
func Int32(column []byte) int32 { return int32(binary.BigEndian.Uint32(column)) }
