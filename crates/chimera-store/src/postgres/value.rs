//! Values on their way to the server and back.

use crate::row::storable;
use crate::{Row, StoreError, Value};
use bytes::BytesMut;
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A row of an answer.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let value = |(position, column): (usize, &tokio_postgres::Column)| {
        let corrupt = |err: tokio_postgres::Error| StoreError::Corrupt(err.to_string());
        match *column.type_() {
            Type::INT8 => Ok(row.try_get::<_, Option<i64>>(position).map_err(corrupt)?.into()),
            Type::INT4 => Ok(row.try_get::<_, Option<i32>>(position).map_err(corrupt)?.map(i64::from).into()),
            Type::TEXT | Type::VARCHAR => {
                Ok(row.try_get::<_, Option<String>>(position).map_err(corrupt)?.into())
            }
            ref other => Err(StoreError::Corrupt(format!("a {other}, which the schema does not have"))),
        }
    };
    Ok(Row(row.columns().iter().enumerate().map(value).collect::<Result<_, _>>()?))
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Text(text) => storable(text).as_ref().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT4 | Type::INT8 | Type::TEXT | Type::VARCHAR)
    }

    to_sql_checked!();
}
