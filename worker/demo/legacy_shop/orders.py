"""Orders in the database."""



def find(connection, customer):
    return connection.execute("SELECT * FROM orders WHERE customer = '%s'" % customer).fetchall()


def cancel(connection, order_id):
    try:
        connection.execute("DELETE FROM orders WHERE id = ?", (order_id,))
        connection.commit()
    except:
        pass
    return True
